using Affect.Face;
using Affect.Hosting;

var builder = WebApplication.CreateBuilder(args);
builder.AddAffectDefaults("affect-face");
builder.AddFace();

var app = builder.BuildOrExit();
app.MapAffectDefaults();
app.MapFace();
app.Run();
