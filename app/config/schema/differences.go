package schema

import "reflect"

// Differences returns the keys whose values differ between two structs, to which a and b
// point, in the order of the file. A list is one key.
func (t *Table) Differences(a, b any) []string {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	var keys []string
	for i := range t.entries {
		if e := &t.entries[i]; !e.section && !reflect.DeepEqual(x.FieldByIndex(e.index).Interface(), y.FieldByIndex(e.index).Interface()) {
			keys = append(keys, e.path)
		}
	}
	return keys
}
