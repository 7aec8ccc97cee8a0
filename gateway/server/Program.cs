using Affect.Gateway;
using Affect.Hosting;

var builder = WebApplication.CreateBuilder(args);
builder.AddAffectDefaults("affect-gateway", http: true);
builder.AddGateway();

var app = builder.BuildOrExit();
app.MapAffectDefaults();
app.MapGateway();
app.Run();
