"""The runtime stage: builds a model of the project, runs it for a few steps, and checks what the source cannot show."""
