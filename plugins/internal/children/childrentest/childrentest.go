// Package childrentest has programs for tests of how programs are ended.
package childrentest

// Program is a program of sh that can be ended in one way.
type Program struct {
	Text string
	Said string // what it writes into the file said of its directory when it is ended gently
}

// Programs are programs by what ends them: the end of their input, a signal that asks, or one that forces.
var Programs = map[string]Program{
	"input closed": {"while read line; do :; done; echo closed > said", "closed"},
	"asked":        {"trap 'echo asked > said; exit' TERM; while :; do sleep 0.01; done", "asked"},
	"forced":       {"trap '' TERM; while :; do sleep 0.01; done", ""},
}
