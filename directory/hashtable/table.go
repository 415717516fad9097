package hashtable

import "iter"

// Table is a copy-on-write hash table of pointers to items: two levels of
// branches, then leaves that are sorted by hash. In a table of a million items, a
// change copies two branches and one leaf of about 60 items.
//
// A copy of the struct is a new version; both versions can be changed, each with
// an Owner of its own. The zero value is an empty table.
//
// Persistent maps from libraries take three to five times the memory, or more
// steps for a lookup.
type Table[T any] struct {
	root *branch[branch[leaf[T]]]
	size int
}

// Owner identifies one writer. A node that the writer has created belongs to it:
// the writer changes it in place, and copies all others before it changes them.
type Owner struct{ _ byte }

// Len returns the number of items.
func (t *Table[T]) Len() int { return t.size }

// Find returns the item with this hash for which match returns true; nil: there is
// none.
func (t *Table[T]) Find(hash uint64, match func(*T) bool) *T {
	if t.root == nil {
		return nil
	}
	b := t.root.children[rootBits(hash)]
	if b == nil {
		return nil
	}
	l := b.children[branchBits(hash)]
	if l == nil {
		return nil
	}
	if i, found := l.search(leafBits(hash), match); found {
		return l.slots[i].item
	}
	return nil
}

// Put replaces the item for which match returns true, or adds item if there is none.
func (t *Table[T]) Put(o *Owner, hash uint64, item *T, match func(*T) bool) {
	l := t.mutableLeaf(o, hash)
	i, found := l.search(leafBits(hash), match)
	if found {
		l.slots[i].item = item
		return
	}
	l.insert(i, slot[T]{leafBits(hash), item})
	t.size++
}

// PutIfAbsent adds item, unless there is one already for which match returns true:
// then it returns that one and changes nothing.
func (t *Table[T]) PutIfAbsent(o *Owner, hash uint64, item *T, match func(*T) bool) (existing *T) {
	if existing = t.Find(hash, match); existing == nil {
		t.Put(o, hash, item, func(*T) bool { return false })
	}
	return existing
}

// Remove removes the item for which match returns true, if there is one.
func (t *Table[T]) Remove(o *Owner, hash uint64, match func(*T) bool) {
	if t.Find(hash, match) == nil {
		return
	}
	l := t.mutableLeaf(o, hash)
	i, _ := l.search(leafBits(hash), match)
	l.delete(i)
	t.size--
}

// mutableLeaf returns the leaf for a hash. The owner may change it.
func (t *Table[T]) mutableLeaf(o *Owner, hash uint64) *leaf[T] {
	t.root = t.root.mutable(o)
	b := t.root.children[rootBits(hash)].mutable(o)
	t.root.children[rootBits(hash)] = b
	l := b.children[branchBits(hash)].mutable(o)
	b.children[branchBits(hash)] = l
	return l
}

// All yields every item, in no particular order.
func (t *Table[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		if t.root == nil {
			return
		}
		for _, b := range t.root.children {
			if b == nil {
				continue
			}
			for _, l := range b.children {
				if l == nil {
					continue
				}
				for i := range l.slots {
					if !yield(l.slots[i].item) {
						return
					}
				}
			}
		}
	}
}
