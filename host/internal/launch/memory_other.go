//go:build unix && !linux

package launch

// heldBy returns nothing: it is not known here.
func heldBy(string) Held { return Held{} }

// measure leaves r without limits: they are not known here.
func (*Room) measure() {}
