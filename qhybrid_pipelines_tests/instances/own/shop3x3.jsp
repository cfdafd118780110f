# three jobs on three machines, drawn at random for this project
3 3
1 4 2 2 0 5
1 3 0 4 2 2
2 4 1 4 0 1
