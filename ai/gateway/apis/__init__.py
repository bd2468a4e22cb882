"""OpenAI's and Ollama's API: errors and listings in the form of each, one translated into the other, and the figures that an answer tells."""
