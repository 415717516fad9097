package hashtable

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// item is identified by its number. The test chooses its hash.
type item struct{ number, version int }

func match(number int) func(*item) bool { return func(i *item) bool { return i.number == number } }

// hashOf makes many collisions, both of leaves and of whole hashes.
func hashOf(number int) uint64 {
	switch number % 3 {
	case 0:
		return uint64(number % 7) // all in one leaf
	case 1:
		return uint64(number) * 0x9e3779b97f4a7c15
	default:
		return 0xffff_ffff_ffff_ffff
	}
}

// A table behaves like a map, and old versions do not change.
func TestTable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	type version struct {
		table Table[item]
		want  map[int]item
	}
	versions := []version{{want: map[int]item{}}}
	for range 300 {
		from := versions[random.IntN(len(versions))] // versions branch off from any other
		now, want, o := from.table, maps.Clone(from.want), &Owner{}
		for range random.IntN(60) {
			n := random.IntN(120)
			switch random.IntN(4) {
			case 0:
				now.Remove(o, hashOf(n), match(n))
				delete(want, n)
			case 1:
				one := item{n, random.Int()}
				old, ok := want[n]
				holder := now.PutIfAbsent(o, hashOf(n), &one, match(n))
				if (holder != nil) != ok || ok && *holder != old {
					t.Fatalf("claim %d: %v, want %v", n, holder, old)
				}
				if !ok {
					want[n] = one
				}
			default:
				one := item{n, random.Int()}
				now.Put(o, hashOf(n), &one, match(n))
				want[n] = one
			}
		}
		versions = append(versions, version{now, want})
	}
	for v, at := range versions {
		got := map[int]item{}
		for i := range at.table.All() {
			got[i.number] = *i
		}
		if !maps.Equal(got, at.want) || at.table.Len() != len(at.want) {
			t.Fatalf("version %d has %d items of %d: %v, want %v", v, at.table.Len(), len(at.want), got, at.want)
		}
		for n := range 120 {
			i := at.table.Find(hashOf(n), match(n))
			if want, ok := at.want[n]; (i != nil) != ok || ok && *i != want {
				t.Fatalf("version %d: %d is %v, want %v", v, n, i, want)
			}
		}
	}
}

// A range over a table can be stopped.
func TestTableStops(t *testing.T) {
	var x Table[item]
	for range x.All() {
		t.Error("there is something in an empty table")
	}
	o := &Owner{}
	for n := range 10 {
		x.Put(o, hashOf(n), &item{number: n}, match(n))
	}
	seen := 0
	for range x.All() {
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("saw %d", seen)
	}
}

// The slots of a leaf are sorted.
func TestTableIsSorted(t *testing.T) {
	var x Table[item]
	o := &Owner{}
	for n := range 500 {
		x.Put(o, hashOf(n), &item{number: n}, match(n))
	}
	for _, b := range x.root.children {
		for l := range leaves(b) {
			if !slices.IsSortedFunc(l.slots, func(x, y slot[item]) int { return cmp.Compare(x.hash, y.hash) }) {
				t.Fatalf("%v", l.slots)
			}
		}
	}
}

// Fill and Put give the same table.
func TestFill(t *testing.T) {
	var at, filled Table[item]
	var items []item
	var order []Numbered
	for n := range 3000 {
		items = append(items, item{number: n})
		order = append(order, Numbered{hashOf(n), n})
	}
	o := &Owner{}
	for n := range items {
		at.Put(o, hashOf(n), &items[n], match(n))
	}
	filled.Fill(o, order, items)
	if filled.Len() != at.Len() {
		t.Errorf("%d items, want %d", filled.Len(), at.Len())
	}
	for n := range items {
		if got := filled.Find(hashOf(n), match(n)); got != &items[n] {
			t.Fatalf("%d is %v", n, got)
		}
	}
	for i := range filled.All() {
		at.Remove(o, hashOf(i.number), match(i.number))
	}
	if at.Len() != 0 {
		t.Errorf("%d items are missing", at.Len())
	}
}

func leaves(b *branch[leaf[item]]) func(func(*leaf[item]) bool) {
	return func(yield func(*leaf[item]) bool) {
		if b == nil {
			return
		}
		for _, l := range b.children {
			if l != nil && !yield(l) {
				return
			}
		}
	}
}
