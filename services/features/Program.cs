using Affect.Features;
using Affect.Hosting;

var builder = WebApplication.CreateBuilder(args);
builder.AddAffectDefaults("affect-features");
builder.AddFeatures();
var app = builder.BuildOrExit();
app.MapAffectDefaults();
app.MapFeatures();
app.Run();
