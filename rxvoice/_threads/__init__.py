"""The threads of a conversation, and what crosses from one to another.

In reading order:

    life                  what ends with a subscription
    kept                  the turns that wait in a queue
    bounded               the queue with a limit, which reports what it drops
    relative              a scheduler in terms of one method
    ready                 which action a thread runs next
    loop                  a scheduler with a thread of its own
    delivery              from a queue to a subscriber, on a scheduler
    inbox                 from a queue to a ``for`` loop
    paced                 `rxvoice.paced`: a worker that keeps pace with the loudspeaker
    window                the scheduler of a window toolkit's event loop
    async_loop            the event loops of asyncio
"""
