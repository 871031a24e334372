"""The embedded model: a set of rules that plays a language model, for tests, the demo and a first agent on a laptop.

It needs no key and no network and gives the same reply every time. `model` splits the user's text into tasks
(`sentences`) and finds for each a tool call (`tool_matching`, `arguments`, one module for each built-in tool's input)
or an answer from remembered facts (`memory_requests`); `answers` puts results into words. It understands English
phrases only, does not reason, and says so when no rule applies. The provider registry alone imports it.
"""
