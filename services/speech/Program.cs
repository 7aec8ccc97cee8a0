using Affect.Hosting;
using Affect.Speech;

var builder = WebApplication.CreateBuilder(args);
builder.AddAffectDefaults("affect-speech");
builder.AddSpeech();

var app = builder.Build();
app.MapAffectDefaults();
app.MapSpeech();
app.Run();
