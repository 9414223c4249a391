package wire

// The positions of the numbers of a record batch in its metadata depend only on its
// columns. A writer of many batches with the same columns lets Arrow make one and then
// changes the numbers.

// BatchNumbers holds the positions of numbers in the metadata of a record batch: byte
// positions of 64-bit little-endian integers.
type BatchNumbers struct {
	Rows, Body int // number of rows, and number of bytes after the metadata
	Nodes      int // first of the pairs of length and null count: one per column, and one more for the items of a list
	Buffers    int // first of the pairs of offset in the body and length
}

// FindBatchNumbers returns the positions of the numbers of a record batch in metadata made
// by Arrow, of a batch that has rows and a body. It returns false for other metadata.
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
