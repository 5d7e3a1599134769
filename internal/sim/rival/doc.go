// Package rival is other ways to scale a fleet, by their published laws, on the same plant as Siren's: what people use
// today, what the textbook says, and a bound that nobody reaches who doesn't know the future.
package rival
