// Package lanecmd is the commands about lanes, pools and workers, the policy in force and what overrides it: looking,
// tuning, moving, explaining. What they do is in internal/operate.
package lanecmd
