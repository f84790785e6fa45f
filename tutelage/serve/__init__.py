"""The request path of the API: who may ask (admission), what is asked (api), how the answer is written (stream)."""
