"""A model's answer: asked for, timed, cut into pieces and delivered, whatever its shape.

`deliver` is the way in. The other files, in reading order:

    shapes        which values a model may answer with, and what is said of others
    recognised    what a recogniser answers beside a text
    pieces        an answer of any shape becomes an iterator of pieces
    pauses        pieces that say when the next one may be made
    text_queue    texts that wait for a voice that speaks one at a time
    clock         where an answer is delivered, and by which clock it is timed
    limits        how long an answer may take
    stuck         a thread that many conversations share, and that one step blocks
    steps         an answer whose steps a worker takes
    tasks         an async answer, as a task of an event loop
    observables   an answer that is an observable
    deliver       asks a model, and delivers its answer
    slow_call     a call of the app's function, as a pause of an answer
"""
