curl -F audio=@speech.wav -F image=@face.jpg http://localhost:8080/v1/analyze
curl http://localhost:8080/v1/models/mfcc-attention
