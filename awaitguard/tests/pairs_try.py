import sys, pathlib
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from pairs_read import read, variants
from awaitguard.memory import check_sources
import time
only = sys.argv[2:] 
bad=0; n=0
for f in sorted(pathlib.Path(__file__).parent.glob('pairs/*.txt')):
    if sys.argv[1] not in ('all', f.stem): continue
    for p in read(f):
        if only and not any(o in p.name for o in only): continue
        for style, wrong, right, lines in variants(p):
            n+=1
            try:
                w=[x for x in check_sources(wrong) if x.level!='hint']
                r=[x for x in check_sources(right) if x.level!='hint']
            except Exception as e:
                print('CRASH',f.stem,p.name,style,repr(e)); bad+=1; 
                if only: raise
                continue
            hit=[x for x in w if x.code.startswith(p.code)]
            problems=[]
            if not hit: problems.append('MISSED '+str([(x.code,x.level,x.path,x.line) for x in w]))
            elif lines is not None and not lines <= {(x.path,x.line) for x in hit}: problems.append('LINES %s not in %s'%(sorted(lines-{(x.path,x.line) for x in hit}),[(x.code,x.path,x.line) for x in w]))
            elif lines is not None and not {(x.path,x.line) for x in w} <= lines: problems.append('EXTRA %s'%[(x.code,x.path,x.line,x.message) for x in w if (x.path,x.line) not in lines])
            if r: problems.append('FALSE '+str([(x.code,x.level,x.path,x.line,x.message) for x in r]))
            if problems: bad+=1; print(f'{f.stem}: {p.name} [{style}] {p.code}:', *problems)
            if only:
                for k,v in wrong.items(): print('---',k); print(v)
print(n,'variants',bad,'bad')
