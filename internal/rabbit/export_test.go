package rabbit

import "time"

// SetPatience shortens how long a publish waits without progress.
func (p *Publisher) SetPatience(d time.Duration) { p.patience = d }

// SetPause shortens the pause before a job goes back that couldn't be moved.
func (t *Taker) SetPause(d time.Duration) { t.pause = d }
