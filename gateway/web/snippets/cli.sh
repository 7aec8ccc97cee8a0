deploy/affect analyze speech.wav face.jpg
deploy/affect stream call.wav
