"""What `rxvoice._answers.deliver` is made of.

To be read in this order:

    pieces    an answer of any shape becomes pieces; a generator is closed
    clock     where to come back to, and by which clock to wait
    limits    how long an answer may take
    steps     an answer on a worker, a step at a time
    stuck     a thread that one step holds up
    loops     the event loop of async answers
    tasks     an async answer, as a task of that loop
    guarded   the scheduler that an answering observable is given
"""
