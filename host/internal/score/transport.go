package score

// transport is a transport problem: sources with equal supplies, sinks with equal
// demands, and a cost for every pair. It is solved by the network simplex method
// (Dantzig 1951; Ahuja, Magnanti and Orlin 1993, Network Flows, chapter 11): the flow
// stays on a spanning tree, and pairs enter it that lower the cost. Ties are broken so
// that the tree stays strongly feasible (Cunningham 1976, doi:10.1007/BF01580667),
// which rules out cycling.
//
// Sources are the nodes 0 to rows-1, sinks follow, and the root is last. An arc joins a
// node to its parent; it is a pair or, at the root, an artificial arc. An artificial arc
// costs as much as the most expensive pair, and a path through the root has two of them,
// so that there is no flow through the root in the end.
type transport struct {
	distance   []float64 // source by sink
	rows, cols int
	largest    float64 // of distance

	parent, depth []int
	child         []int // the first; -1: none
	before, after []int // siblings; -1: none
	flow          []int // on the arc to the parent
	price         []float64
	cursor        int   // the source whose pairs are searched next
	unvisited     []int // scratch of reprice
}

const none = -1

func newTransport(distance []float64, rows, cols, supply, demand int) *transport {
	nodes := rows + cols + 1
	ints := func() []int { return make([]int, nodes) }
	t := &transport{distance: distance, rows: rows, cols: cols, parent: ints(), depth: ints(), child: ints(), before: ints(), after: ints(),
		flow: ints(), price: make([]float64, nodes)}
	for _, d := range distance {
		t.largest = max(t.largest, d)
	}
	root := t.root()
	t.parent[root], t.child[root] = none, none
	for v := range root {
		t.child[v] = none
		t.hang(v, root)
		t.flow[v] = supply
		if v >= rows {
			t.flow[v] = demand
		}
	}
	t.reprice(root)
	return t
}

func (t *transport) root() int { return t.rows + t.cols }

// solve moves to the cheapest tree.
func (t *transport) solve() {
	for {
		source, sink := t.entering()
		if source == none {
			return
		}
		t.pivot(source, sink)
	}
}

// entering returns a pair that would lower the cost: the best one of the first source that
// has any, in cyclic order from where the last search ended.
func (t *transport) entering() (source, sink int) {
	tolerance := -0x1p-46 * t.largest // prices are sums of distances
	prices := t.price[t.rows:t.root()]
	for range t.rows {
		i := t.cursor
		t.cursor = (t.cursor + 1) % t.rows
		best, sink, own := tolerance, none, t.price[i]
		for j, d := range t.distance[i*t.cols:][:len(prices)] {
			if d -= own - prices[j]; d < best {
				best, sink = d, j
			}
		}
		if sink != none {
			return i, t.rows + sink
		}
	}
	return none, none
}

// pivot sends as much as possible along the pair and back through the tree. The arc that
// is emptied first leaves the tree.
func (t *transport) pivot(source, sink int) {
	join := t.join(source, sink)
	// Mass goes down from join to the source and from the sink up to join.
	moved, leaving, below := int(^uint(0)>>1), none, none
	for v := source; v != join; v = t.parent[v] {
		if t.up(v) && t.flow[v] < moved {
			moved, leaving, below = t.flow[v], v, source
		}
	}
	for v := sink; v != join; v = t.parent[v] {
		if !t.up(v) && t.flow[v] <= moved {
			moved, leaving, below = t.flow[v], v, sink
		}
	}
	for v := source; v != join; v = t.parent[v] {
		t.add(v, -moved)
	}
	for v := sink; v != join; v = t.parent[v] {
		t.add(v, moved)
	}
	other := source + sink - below
	t.rehang(below, leaving, other, moved)
	t.reprice(below)
}

// up reports whether the arc of v leads to its parent, as that of a source does.
func (t *transport) up(v int) bool { return v < t.rows }

// add adds mass that goes up to the arc of v.
func (t *transport) add(v, mass int) {
	if !t.up(v) {
		mass = -mass
	}
	t.flow[v] += mass
}

func (t *transport) join(u, v int) int {
	for u != v {
		if t.depth[u] < t.depth[v] {
			u, v = v, u
		}
		u = t.parent[u]
	}
	return u
}

// rehang cuts the subtree at the arc of leaving and attaches it to other at its node
// below, with flow on the new arc. The arcs between below and leaving are reversed.
func (t *transport) rehang(below, leaving, other, flow int) {
	on := other
	for v := below; ; {
		next, left := t.parent[v], t.flow[v]
		t.unhang(v)
		t.hang(v, on)
		t.flow[v] = flow
		if v == leaving {
			return
		}
		v, on, flow = next, v, left
	}
}

func (t *transport) hang(v, parent int) {
	first := t.child[parent]
	t.parent[v], t.before[v], t.after[v] = parent, none, first
	if first != none {
		t.before[first] = v
	}
	t.child[parent] = v
}

func (t *transport) unhang(v int) {
	before, after := t.before[v], t.after[v]
	if before == none {
		t.child[t.parent[v]] = after
	} else {
		t.after[before] = after
	}
	if after != none {
		t.before[after] = before
	}
}

// reprice sets depths and prices in the subtree of top so that for pairs in the tree
// price[source] - price[sink] is their distance.
func (t *transport) reprice(top int) {
	t.unvisited = append(t.unvisited[:0], top)
	for len(t.unvisited) > 0 {
		v := t.unvisited[len(t.unvisited)-1]
		t.unvisited = t.unvisited[:len(t.unvisited)-1]
		if p := t.parent[v]; p == none {
			t.price[v], t.depth[v] = 0, 0
		} else {
			cost := t.arc(v)
			if !t.up(v) {
				cost = -cost
			}
			t.price[v], t.depth[v] = t.price[p]+cost, t.depth[p]+1
		}
		for c := t.child[v]; c != none; c = t.after[c] {
			t.unvisited = append(t.unvisited, c)
		}
	}
}

// arc returns the cost of the arc of v.
func (t *transport) arc(v int) float64 {
	u := t.parent[v]
	if u == t.root() {
		return t.largest
	}
	if v > u {
		u, v = v, u
	}
	return t.distance[v*t.cols+u-t.rows]
}

// cost returns the sum of flow times distance.
func (t *transport) cost() float64 {
	sum := 0.0
	for v := range t.root() {
		if t.parent[v] != t.root() {
			sum += float64(t.flow[v]) * t.arc(v)
		}
	}
	return sum
}
