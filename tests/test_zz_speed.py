import time
from tests.factories import registered
def test_speed(aws):
    for n in range(4):
        t=time.perf_counter(); r=registered(); print("reg",time.perf_counter()-t)
    t=time.perf_counter()
    for n in range(20): r.client.post("/v1/agents",{"name":f"a{n}"})
    print("post", (time.perf_counter()-t)/20)
    t=time.perf_counter()
    for n in range(20): r.client.get("/v1/agents")
    print("get", (time.perf_counter()-t)/20)
    t=time.perf_counter()
    for n in range(100): r.client.post("/v1/agents",{"name":7})
    print("bad", (time.perf_counter()-t)/100)
