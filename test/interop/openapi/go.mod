module kindred.example/patterns

go 1.22
