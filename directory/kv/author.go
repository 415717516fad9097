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
	return context.WithValue(ctx, authorKey{}, a)
}

func authorOf(ctx context.Context) Author {
	a, _ := ctx.Value(authorKey{}).(Author)
	return a
}

// party is who the author is in the queue: all administrators of a project are one.
func (a Author) party() uuid.UUID {
	if a.Project != uuid.Nil {
		return a.Project
	}
	return a.User
}
