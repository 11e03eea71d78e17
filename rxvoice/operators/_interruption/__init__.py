"""The engine of `interruptible`: who speaks, and who is to fall silent.

An *exchange* is a turn and its answer. One at the most has the floor, and is *current*; the state
of the conversation is how far that one has come::

    quiet       there is none
    listening   not all of its words are known
    thinking    it is being answered, and nothing of the answer was heard
    speaking    some of the answer was heard

    from        to          by
    quiet       listening   Dialogue._on_turn; Dialogue._on_typed; Floor.go_on with one that waited
    listening   thinking    Floor.answer; Floor.preempt before the turn is over
                quiet       Floor.answer if no word was said; Dialogue._on_source_over
    thinking    listening   Floor.preempt if the user said more
                speaking    Floor.advance at the first sample that was heard
                quiet       Floor.advance if there is nothing to be heard
    speaking    quiet       Floor.advance at the last sample
    any         listening   Dialogue._on_confirmed; Dialogue._on_typed
                quiet       Dialogue._on_button

Whichever it is, it is *paused* from the first speech of a candidate, Candidates.hear, until none
is left or it has lasted too long, Pause.resume, or it is over, Pause.release.

To be read in this order:

    _dialogue     what each input does
    _floor        the current exchange is answered, heard, and perhaps interrupted
    _exchange     a turn and its answer: what is known of them
    _answer       one answer is made, held back where need be, heard, and perhaps cut
    _ledger       which samples of it say which text
    _responder    what the text model is told
    _candidates   the turns that may interrupt are judged
    _evidence     what speaks for one of them
    _pause        playback is held back meanwhile
    _playback     the sink, and how far it has come
    _ports        the ways in and out, each with its thread
    _mailbox      one thing at a time
    _alarm        a timer
"""
