package kv

import (
	"context"

	"github.com/google/uuid"
)

// Author is on whose behalf a change is made. The zero value is usher itself.
type Author struct {
	User    uuid.UUID
	Project uuid.UUID // whose share of the bucket the change takes, and whose other changes it waits behind; Nil: nobody's, and the user's
}

type authorKey struct{}

// ByAuthor returns a context in which changes are the author's.
func ByAuthor(ctx context.Context, a Author) context.Context {
	return ByAuthorNow(ctx, func() Author { return a })
}

// ByAuthorNow is ByAuthor for an author whose rights may change until the change is
// made: now is asked before the change waits, and again when its function has returned,
// for whose share it takes.
func ByAuthorNow(ctx context.Context, now func() Author) context.Context {
	return context.WithValue(ctx, authorKey{}, now)
}

func authorOf(ctx context.Context) Author {
	if now, ok := ctx.Value(authorKey{}).(func() Author); ok {
		return now()
	}
	return Author{}
}

// party is who the author is in the queue: all administrators of a project are one.
func (a Author) party() uuid.UUID {
	if a.Project != uuid.Nil {
		return a.Project
	}
	return a.User
}
