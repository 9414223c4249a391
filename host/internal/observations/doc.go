// Package observations is what is observed: streams with their operators, joined
// into one vector, and real observations, read from files, checked and put into
// cycles.
package observations
