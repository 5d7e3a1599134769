// Package report is the report of siren demo: what its two trials show, as a page and as a picture. It works on values:
// it runs nothing and reads no clock.
package report
