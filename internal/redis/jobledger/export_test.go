package jobledger

// Kept returns how many ends the ledger keeps.
func Kept(l *Ledger) int {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	return len(l.memory.ends)
}
