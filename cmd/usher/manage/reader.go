package manage

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/api/client"
)

// reader is how one kind of thing is read: its verbs show and list.
type reader[T, L any] struct {
	thing   string // in words: "user"
	args    string // what show takes; all but the last of them list takes, too
	inside  bool
	flags   []cli.Flag // of list
	columns []column[T]
	list    func(ctx context.Context, r *remote) (*L, error)
	rows    func(*L) []T
	show    func(ctx context.Context, r *remote) (*T, client.ETag, error)
}

func (d *reader[T, L]) verbs() []verb {
	names := strings.Fields(d.args)
	return []verb{
		{
			name: "list", usage: "list " + d.thing + "s", inside: d.inside, flags: d.flags,
			args: strings.Join(names[:len(names)-1], " "),
			do: func(ctx context.Context, r *remote) error {
				list, err := d.list(ctx, r)
				if err != nil {
					return err
				}
				return r.print(list, func() error { return printRows(r.c.App.Writer, d.columns, d.rows(list)) })
			},
		},
		{
			name: "show", usage: "show one " + d.thing, inside: d.inside, args: d.args,
			do: func(ctx context.Context, r *remote) error {
				one, _, err := d.show(ctx, r)
				if err != nil {
					return err
				}
				return r.print(one, func() error { return printOne(r.c.App.Writer, d.columns, one) })
			},
		},
	}
}

// setVerb is a verb set: it changes what is given, unless somebody else has changed
// the same thing meanwhile. input reads what is given; done says what has become of it.
func setVerb[T, L, In any](d *reader[T, L], v verb, input func(c *cli.Context) (*In, error),
	update func(ctx context.Context, r *remote, in *In, unchanged client.ETag) (*T, error), done func(r *remote, now *T) string,
) verb {
	v.name, v.args, v.inside = "set", d.args, d.inside
	v.do = func(ctx context.Context, r *remote) error {
		if err := changes(r.c, v.flags); err != nil {
			return err
		}
		in, err := input(r.c)
		if err != nil {
			return err
		}
		_, tag, err := d.show(ctx, r)
		if err != nil {
			return err
		}
		now, err := update(ctx, r, in, tag)
		if err != nil {
			return err
		}
		return r.done(now, "%s", done(r, now))
	}
	return v
}
