package directory

import (
	"cmp"
	"slices"
)

// numbered is the number of an item, with a hash that leads to it.
type numbered struct {
	hash   uint64
	number int
}

// fill puts items into an empty table, all at once: sorted by their hashes, they
// are leaf after leaf, none larger than it has to be.
func (t *table[T]) fill(e *edit, order []numbered, items []T) {
	var turns turns
	slices.SortFunc(order, func(x, y numbered) int {
		turns.step()
		return cmp.Compare(x.hash, y.hash)
	})
	t.size = len(order)
	for len(order) > 0 {
		n := 1
		for n < len(order) && sameLeaf(order[n].hash, order[0].hash) {
			n++
		}
		l := t.leafOf(e, order[0].hash)
		l.slots = make([]slot[T], n)
		for i := range l.slots {
			turns.step()
			l.slots[i] = slot[T]{within(order[i].hash), &items[order[i].number]}
		}
		order = order[n:]
	}
}
