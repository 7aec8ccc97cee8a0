using Affect.Fusion;
using Affect.Hosting;

var builder = WebApplication.CreateBuilder(args);
builder.AddAffectDefaults("affect-fusion");
builder.AddFusion();

var app = builder.BuildOrExit();
app.MapAffectDefaults();
app.MapFusion();
app.Run();
