package wire

// The numbers of a record batch stand in its metadata in places that depend on its
// columns alone. Who writes many batches of the same columns has Arrow make one and
// then changes the numbers.

// BatchNumbers is where numbers stand in the metadata of a record batch: byte
// positions of 64-bit little-endian integers.
type BatchNumbers struct {
	Rows, Body int // the number of rows, and of bytes that follow the metadata
	Nodes      int // of the first of pairs: length and null count, one a column, and one more for the items of a list
	Buffers    int // of the first of pairs: offset in the body, and length
}

// FindBatchNumbers returns where the numbers of a record batch stand in metadata made by
// Arrow, of a batch that has rows and a body, and whether it is such.
func FindBatchNumbers(metadata []byte) (n BatchNumbers, ok bool) {
	m, ok := root(metadata)
	if !ok {
		return n, false
	}
	kind, _ := m.number(messageHeaderType, 1)
	batch, ok := m.child(messageHeader)
	if !ok || kind != headerRecordBatch {
		return n, false
	}
	var rows, body bool
	n.Rows, rows = batch.slot(batchLength)
	n.Body, body = m.slot(messageBodyLength)
	var nodes, buffers bool
	n.Nodes, _, nodes = batch.vector(batchNodes, 16)
	n.Buffers, _, buffers = batch.vector(batchBuffers, 16)
	return n, rows && body && nodes && buffers && n.Nodes > 0 && n.Buffers > 0
}

// FindBlocks returns the position of the offset of the list of record batches in the
// footer of an Arrow file: 32 bits, counted from that position.
func FindBlocks(footer []byte) (position int, ok bool) {
	f, ok := root(footer)
	if !ok {
		return 0, false
	}
	return f.slot(footerRecordBatches)
}
