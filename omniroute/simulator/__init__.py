"""The built-in upstream: an AI provider that needs no key, tells no stories and fails on demand.

It is for people who have no key yet (`omniroute demo`) and for the tests, as the faulty provider.
What happens (`scenario`, chosen by the model's name, and `play`, which makes the answer) is kept
apart from how it is written (`openai_chat`, and one module per further wire format), and both from
how it reaches the socket (`delivery`, `app`, `server`).

Nothing here shares code with the gateway's own codecs: a mistake made on both sides would hide
itself.
"""
