// Package pace fits what a process takes of its machine to what it does: processors and
// memory. Go's own choices are made for one program that has the machine to itself;
// an experiment is half a dozen small ones that call each other. Results never depend
// on it.
package pace
