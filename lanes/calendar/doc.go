// Package calendar says when something is that people planned on a wall clock: fri 18:00, every week, for 4h, in
// Europe/Berlin. What is planned so, it doesn't know. It reads no clock.
//
// On the wall clock of its zone a start stays where it is, all year round. One inside the hour that daylight saving
// leaves out happens at that hour's end, one inside the hour that comes twice happens once, the first time. How long an
// occurrence lasts is elapsed time.
package calendar
