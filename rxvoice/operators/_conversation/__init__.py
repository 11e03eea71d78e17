"""The engine of `converse`: who speaks, and who must fall silent.

An *exchange* is a turn and its reply. At most one exchange has the floor: it is *current*. The
phase of the conversation is how far the current exchange has come::

    quiet       nobody has the floor
    listening   not all words of the turn are known
    thinking    the turn is being answered, and nothing of the reply was heard
    speaking    some of the reply was heard

    from        to          when
    quiet       listening   a turn opens, is typed or is confirmed, or the next one has waited
    listening   thinking    the words are known, and are answered
    listening   quiet       the turn has no words, or is interrupted or closed
    thinking    speaking    the first sample is heard
    thinking    quiet       there is nothing to hear, the sink fails, or a turn interrupts
    speaking    quiet       the last sample is heard, the sink fails, or a turn interrupts

A turn that interrupts gets the floor as soon as it is quiet. In every phase, a candidate may pause
playback.

Read the files in this order. First the inputs and what follows from them:

    engine        the subscription, and the order in which things follow
    listening     a turn opens; its chunks and its words
    candidates    a candidate pauses the reply, and is confirmed or dropped
    replying      a reply is begun
    app           the app interrupts, types, or speaks

Then what they change:

    floor         who has the floor, and how it changes hands
    exchange      a turn and its reply
    evidence      what speaks for and against a candidate
    reply         one reply: made, written to the sink, heard, maybe cut
    spoken_reply  which of its samples say which text
    report        what the model's memory is told

Last the edges:

    playback      the sink
    ports         the ways in and out, and timers
    mailbox       one thing at a time
    settings      the options of `converse`
"""
