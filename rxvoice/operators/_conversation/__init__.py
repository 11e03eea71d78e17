"""The engine of `converse`: who speaks, and who is to fall silent.

An *exchange* is a turn and its answer. At most one has the floor, and is *current*. The phase of
the conversation is how far that one has come::

    quiet       there is none
    listening   not all of its words are known
    thinking    it is being answered, and nothing of the answer was heard
    speaking    some of the answer was heard

    from        to          when
    quiet       listening   a turn opens, is typed or is confirmed, or one that waited is next
    listening   thinking    its words are known, and it is answered
    listening   quiet       it has no words, or somebody interrupts or ends it
    thinking    speaking    the first sample is heard
    thinking    quiet       there is nothing to be heard, the sink fails, or somebody interrupts
    speaking    quiet       the last sample is heard, the sink fails, or somebody interrupts

Who interrupts has the floor as soon as it is quiet. Whatever the phase, playback is held back while
a candidate wants it.

Read in this order:

    _engine       each input, and what follows from it
    _exchange     a turn and its answer: what is known of them
    _candidate    the evidence that a turn may interrupt
    _answer       one answer is made, written to the sink, heard, and perhaps cut
    _ledger       which samples of it say which text
    _playback     the sink: what it was given, what was heard, and holding it back
    _responder    what the text model is told
    _ports        the ways in and out, each with its thread
    _mailbox      one thing at a time
    _alarm        a timer
    _settings     what `converse` was given
"""
