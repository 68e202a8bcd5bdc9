"""Where GGUF files come from: fetched, converted, checked, and kept on a shelf.

It knows neither the engine that runs a model nor the index that is made with it.
"""
