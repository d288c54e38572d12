"""Programs that a model wrote are run here: in a process of their own that cannot get out.

::

    run(program, tests) -> Outcome          this process: starts, watches, kills      run.py, watch.py
        inside.py                           the child: puts the guards on, then runs the program
            limits    memory, processor time, size of a file, threads, open files     guards.py
            user      nobody, without a capability                                    guards.py
            files     reads Python's own library, writes its folder, nothing else     landlock.py
            calls     no socket, no process, no signal, nothing that the rest missed  seccomp.py, calls.py
            network   a namespace without one, where the kernel lets us               guards.py

All but the last must hold, or nothing is run. Linux on x86-64 and 64-bit Arm.
"""
