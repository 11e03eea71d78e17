"""`live`: a pipe on a conversation thread of its own.

live                  `rxvoice.live`
conversation_thread   one subscription of it
"""
