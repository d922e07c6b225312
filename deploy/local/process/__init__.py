"""One child process: started, watched, logged and ended, and the lines that a person reads of it.
Which processes there are is known above, in mesh."""
