// Package choose is the flags by which a person says which jobs are meant, dead ones too: some by their ids, or those
// that a filter chooses, or a page of them.
package choose
