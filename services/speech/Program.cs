using Affect.Hosting;
using Affect.Speech;

var builder = WebApplication.CreateBuilder(args);
builder.AddAffectDefaults("affect-speech");
builder.AddSpeech();

var app = builder.BuildOrExit();
app.MapAffectDefaults();
app.MapSpeech();
app.Run();
