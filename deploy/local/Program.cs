using Affect.Face;
using Affect.Features;
using Affect.Fusion;
using Affect.Gateway;
using Affect.Hosting;
using Affect.Local;
using Affect.Speech;

var builder = WebApplication.CreateBuilder(args);
builder.AddLocalDefaults();
builder.AddAffectDefaults("affect", http: true);
builder.AddFeatures();
builder.AddSpeech();
builder.AddFace();
builder.AddFusion();
builder.AddGateway();

var app = builder.BuildOrExit();
LocalServer.HideInternalServices(app);
app.MapAffectDefaults();
app.MapFeatures();
app.MapSpeech();
app.MapFace();
app.MapFusion();
app.MapGateway();
await app.RunLocalAsync();
