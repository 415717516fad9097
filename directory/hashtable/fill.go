package hashtable

import (
	"cmp"
	"slices"

	"usher/directory/yield"
)

// Numbered is the index of an item in a slice, and a hash under which it is found.
type Numbered struct {
	Hash   uint64
	Number int
}

// Fill puts items into an empty table, all at once. It sorts order by hash, so that
// it can build leaf after leaf, each with the capacity that it needs.
func (t *Table[T]) Fill(o *Owner, order []Numbered, items []T) {
	var yielder yield.Counter
	slices.SortFunc(order, func(x, y Numbered) int {
		yielder.Step()
		return cmp.Compare(x.Hash, y.Hash)
	})
	t.size = len(order)
	for len(order) > 0 {
		n := 1
		for n < len(order) && sameLeaf(order[n].Hash, order[0].Hash) {
			n++
		}
		l := t.mutableLeaf(o, order[0].Hash)
		l.slots = make([]slot[T], n)
		for i := range l.slots {
			yielder.Step()
			l.slots[i] = slot[T]{leafBits(order[i].Hash), &items[order[i].Number]}
		}
		order = order[n:]
	}
}
