"""Memories of agents: written under rules, found by words and vectors, recalled when an execution starts.

`writing` decides what becomes of a new text (`facts`, `value_kinds`, `rejections`), `storage` keeps a memory and its
search index (`lexicon`, `vector_index`) together, `search` ranks matches (`ranking`, `tokenizer`, `embedders`), and
`context` assembles what an execution gets. `service` has the operations of the API.
"""
