package main

import "golang.org/x/sys/unix"

// hideFromOthers keeps this process's environment and memory, which hold URLs with passwords, from other processes of
// the same user: from the media programs that a hostile input has taken over, above all. Nobody but root
// (CAP_SYS_PTRACE) reads them, traces this process or gets a core of it. The programs that it starts are as they always
// were; a siren hides itself. Linux never refuses that.
func hideFromOthers() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
