"""Whether an engine read all of a prompt: token counts come in, a proof, a doubt or a cut goes out."""
