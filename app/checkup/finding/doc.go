// Package finding has the type of what a checkup reports, and a list to which checks append.
package finding
