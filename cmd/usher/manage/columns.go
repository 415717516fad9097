package manage

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// column is one thing that people see of a T.
type column[T any] struct {
	name string
	more bool // only where one T is shown alone
	cell func(*T) string
}

// printRows prints a table with a line for each.
func printRows[T any](out io.Writer, columns []column[T], rows []T) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var heads []string
	for _, c := range columns {
		if !c.more {
			heads = append(heads, strings.ToUpper(c.name))
		}
	}
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for i := range rows {
		var cells []string
		for _, c := range columns {
			if !c.more {
				cells = append(cells, orDash(printable(c.cell(&rows[i]))))
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// printOne prints all there is about one, but for what is empty.
func printOne[T any](out io.Writer, columns []column[T], one *T) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		if text := printable(c.cell(one)); text != "" {
			fmt.Fprintf(w, "%s\t%s\n", c.name, text)
		}
	}
	return w.Flush()
}

// printable takes from text what would break a table or move a terminal's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func commaList(words []string) string { return strings.Join(words, ", ") }

// timeText returns a time for people; empty: not known.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// firstFew joins the first few of what may be many.
func firstFew(texts []string) string {
	const few = 5
	if more := len(texts) - few; more > 0 {
		texts = append(slices.Clone(texts[:few]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}
