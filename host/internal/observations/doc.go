// Package observations holds what is observed: streams with their operators, joined
// into one vector, and real observations, which are read from files, checked and
// assigned to cycles.
package observations
