import cProfile, pstats, time
from tests.factories import registered
def test_p(aws):
    registered()
    p=cProfile.Profile(); t=time.time(); c=time.process_time(); p.enable(); registered(); p.disable(); print(time.time()-t, time.process_time()-c)
    pstats.Stats(p).sort_stats("cumtime").print_stats(35)
